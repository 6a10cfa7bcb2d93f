#include <stdio.h>

const char *demo_lib_version(void);

int main(void)
{
    printf("demo-app %s with demo-lib %s\n", VERSION, demo_lib_version());
    return 0;
}
