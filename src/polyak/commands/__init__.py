"""The commands: call the library, print. Each imports what it needs when it runs."""
