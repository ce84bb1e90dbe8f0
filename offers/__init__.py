"""What may be offered, to whom, and who agreed; imports nothing of ours."""
