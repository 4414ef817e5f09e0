"""How much within what time: failures of a client, of a network, with forms, and how near a limit is."""
