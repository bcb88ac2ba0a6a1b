/* Which version of the library runs. */
#include <mqev/version.h>

const char *
mqev_version(void)
{
	return MQEV_VERSION;
}

int
mqev_version_number(void)
{
	return MQEV_VERSION_NUMBER;
}
