/* Tells its version, so that a program can show which build of the library it got. */

const char *demo_lib_version(void)
{
    return VERSION;
}
