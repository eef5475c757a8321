"""Pure decisions: policies, their variables, certificates and their states, provisioning templates."""
