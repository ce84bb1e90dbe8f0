"""Claims about whole journeys of the users."""
