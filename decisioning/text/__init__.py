"""What consented posts tell: their sentiment and which kinds of card they speak of; their text is never kept."""
