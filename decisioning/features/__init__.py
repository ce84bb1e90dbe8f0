"""What is known of a customer: feature groups in Postgres, and their copy in Redis that a decision reads."""
