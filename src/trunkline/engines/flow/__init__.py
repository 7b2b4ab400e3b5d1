"""The language model without a key: a flow of states, intents and slots. `document` says how one is written."""
