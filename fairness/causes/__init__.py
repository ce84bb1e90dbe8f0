"""Why a gap appeared: which rule, which clause, which input of the model, who was steered, who was never shown; only
counts and shares, never a row about one person."""
