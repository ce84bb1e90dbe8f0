"""One module for each area of pages; views translate between requests and the domain, and decide nothing."""
