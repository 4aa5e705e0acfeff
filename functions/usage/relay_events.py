"""From the table's stream: the outbox entries of usage, to the bus."""

from gpubroker.messaging.relay import relay_handler

handler = relay_handler()
