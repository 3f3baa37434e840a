"""The test runner: suites one after the other, their counts added up."""
