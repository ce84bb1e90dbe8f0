"""Who people are and how they sign in; what they may do is offers.roles."""
