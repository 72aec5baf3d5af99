"""What `data-parallel` says: the sheet's questions, answered from the numbers of the instrument `scaling`."""
