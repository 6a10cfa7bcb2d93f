/* Prints the prefix that is baked into the program, and the one baked into its library.
 *
 *   prefix-demo            both prefixes, a line each
 *   prefix-demo --paths    a search path: several prefixes in one string
 *   prefix-demo --config   the configuration file under the baked prefix
 *   prefix-demo --version
 */

#include <stdio.h>
#include <string.h>

const char *prefix_demo_library_prefix(void);

static const char baked_prefix[] = PREFIX;
static const char baked_paths[] = PREFIX "/bin:" PREFIX "/lib:" PREFIX "/share/prefix-demo";
static const char baked_config[] = PREFIX "/etc/prefix-demo.conf";

/* Volatile, so that the compiler cannot work out lengths before an installer changed them. */
static const char *volatile prefix = baked_prefix;
static const char *volatile paths = baked_paths;
static const char *volatile config = baked_config;

static int print_config(void)
{
    char line[1024];
    FILE *file = fopen(config, "r");
    if (file == NULL) {
        fprintf(stderr, "prefix-demo: cannot open %s\n", config);
        return 1;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        fputs(line, stdout);
    }
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("prefix-demo " VERSION " build " BUILD);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--paths") == 0) {
        puts(paths);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--config") == 0) {
        return print_config();
    }
    printf("program: %s\n", prefix);
    printf("library: %s\n", prefix_demo_library_prefix());
    return strcmp(prefix, prefix_demo_library_prefix()) == 0 ? 0 : 3;
}
