"""The web pages: what the house is, how to log in, the API document and the page that explores it."""
