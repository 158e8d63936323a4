"""LETS PEOPLE IN: who may enter, what they ask for, and how they are told what went wrong."""
