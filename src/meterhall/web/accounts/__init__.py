"""People's accounts on a platform: one-time links, passwords, second factors and roles. Machines: `oauth`, `staff`."""
