"""SeaCloud: usage of the billing month, storage, costs and templates."""
