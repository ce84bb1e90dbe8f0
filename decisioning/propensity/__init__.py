"""P(accept) of a customer for an offer: encoding, training, scoring; no database and no knowledge of other stages."""
