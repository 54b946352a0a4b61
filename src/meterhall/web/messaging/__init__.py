"""Messages between platforms: the transactional outbox and inbox, statements, peers, and the pull feed."""
