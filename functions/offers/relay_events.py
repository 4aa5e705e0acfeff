"""From the table's stream: the outbox entries of offers, to the bus and to the price stream."""

from gpubroker.messaging.relay import relay_handler

handler = relay_handler()
