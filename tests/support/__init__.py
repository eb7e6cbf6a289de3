"""What the black-box tests are made of: a server to start, a raw client, ways to wait."""
