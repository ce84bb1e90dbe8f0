"""What the pages of compliance and model risk share: forms, wording and addresses; a view is in console.views."""
