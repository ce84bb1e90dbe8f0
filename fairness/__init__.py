"""Whether decisions were fair, and whether a change or a model may go live; imports offers and decisioning."""
