"""What every platform stands on: configuration, home folder, API kit, messages, work, people, pages."""
