/* The library's own copy of the prefix: an installer has to rewrite it apart from the program's. */

static const char baked_prefix[] = PREFIX;

/* Volatile, so that the compiler cannot work out the length before an installer changed it. */
static const char *volatile prefix = baked_prefix;

const char *prefix_demo_library_prefix(void)
{
    return prefix;
}
