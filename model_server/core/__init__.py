"""What each RPC means, whichever protocol it came by: messages in, messages out, StatusError."""
