/* Trust in the system's certificates without reading them all: a verification looks up in the
 * system's folder the few that it needs. Other sources of trust are in tls_load.c. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls.h"

/* The name that "openssl rehash" gives: eight hexadecimal digits, a dot, a number. */
static bool
is_hashed(const char *name)
{
	size_t i = 0;

	while (i < 8 && isxdigit((unsigned char)name[i]))
		i++;
	return i == 8 && name[8] == '.' && isdigit((unsigned char)name[9]);
}

static size_t
count_hashed(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += is_hashed(entry->d_name);
	closedir(dir);
	return count;
}

/* How many certificates a bundle holds, by its lines: taking them apart is what costs. */
static size_t
count_bundled(const char *path)
{
	static const char begin[] = "-----BEGIN ";
	FILE *file = fopen(path, "re");
	char line[256];
	size_t count = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		count += strncmp(line, begin, sizeof(begin) - 1) == 0;
	fclose(file);
	return count;
}

/* OpenSSL itself decides whether it follows the environment; here only the way of loading depends
 * on it. */
static const char *
setting(const char *variable, const char *fallback)
{
	const char *value = getenv(variable);

	return value != NULL ? value : fallback;
}

bool
mqev_tls_folder_is_whole(const char *folder, const char *bundle)
{
	size_t hashed = count_hashed(folder);

	return hashed > 0 && hashed >= count_bundled(bundle);
}

/*
 * A folder is read when a chain is verified, a file or two of it; the bundle at once, 20 to 100 ms
 * of work. The bundle is left alone when the folder holds as much, and used when the environment
 * names it.
 */
int
mqev_tls_load_system_trust(SSL_CTX *ctx)
{
	const char *folder = setting(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
	const char *bundle = X509_get_default_cert_file();

	if (getenv(X509_get_default_cert_file_env()) == NULL &&
	    mqev_tls_folder_is_whole(folder, bundle))
		return SSL_CTX_set_default_verify_dir(ctx) == 1 ? 0 : -1;
	return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -1;
}
