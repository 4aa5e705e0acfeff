"""Where the simulation answers beside the providers: for those who configure addresses and load nothing of it."""

EXCHANGE_RATES_PATH = "/_rates/eurofxref-daily.xml"
PAYMENTS_PATH = "/_payments"
