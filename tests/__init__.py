"""The suite's own tests, as a package: torch-fidelity installs one of this name, which would come before a mere folder."""
