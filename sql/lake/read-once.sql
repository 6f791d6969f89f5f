-- For connections that read long files once, piece by piece: nothing of the files is kept, and what a statement has
-- freed goes back to the system. Without the second, each thread that statements have run in keeps as much as it used.
set enable_external_file_cache = false;
set allocator_bulk_deallocation_flush_threshold = '4MB';
