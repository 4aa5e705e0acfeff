"""From the table's stream: the outbox entries of delivery, to the bus."""

from gpubroker.messaging.relay import relay_handler

handler = relay_handler()
