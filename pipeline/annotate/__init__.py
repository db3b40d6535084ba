"""The paper's voting protocol (sections 3.1 and 3.2) as a small local web application."""
