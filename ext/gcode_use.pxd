"""How often each G and M word stands in the program, and where first; a table whose parts come when they are needed.

Of hundred thousand possible M words a program has a dozen, and a table for all would cost a small file more than it does.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free

from fleetctl._ext.gcode_types cimport USE_PAGE, Core, Use, UseTable


cdef inline Use* use_of(Core* s, UseTable* table, int32_t code) noexcept nogil:
    """The entry of a code (its number times ten). Without memory for it, one that is nobody's, and it is said so."""
    cdef int32_t page = code // USE_PAGE
    if table.page[page] == NULL:
        table.page[page] = <Use*> calloc(USE_PAGE, sizeof(Use))
        if table.page[page] == NULL:
            s.trace.out_of_memory = 1
            return &s.nobodys_use
    if code > table.top:
        table.top = code
    return &table.page[page][code % USE_PAGE]


cdef inline const Use* use_if_any(const UseTable* table, int32_t code) noexcept nogil:
    """The entry of a code if its part of the table is there, else NULL."""
    return &table.page[code // USE_PAGE][code % USE_PAGE] if table.page[code // USE_PAGE] != NULL else NULL


cdef inline void free_uses(UseTable* table) noexcept nogil:
    cdef int32_t i
    for i in range(sizeof(table.page) // sizeof(table.page[0])):
        free(table.page[i])
