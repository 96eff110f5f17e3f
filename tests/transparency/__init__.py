"""What others wrote to test their drivers and servers, run directly and through Interlock, and what differs."""
