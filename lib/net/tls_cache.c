/* Kept TLS sessions, by server: bounded, newest first, each used once except the last, of which
 * copies are used. */
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

#include "core/mem.h"
#include "net/tls.h"

#define SESSIONS_PER_SERVER 4
#define FIRST_BUCKETS 16u

/*
 * In the hash always; in the list of users as long as it holds sessions, most recently used first.
 * Lives while it holds sessions or links refer to it.
 */
struct mqev_tls_entry {
	struct mqev_tls_entry *chain; /* next of its bucket */
	struct mqev_tls_entry *newer;
	struct mqev_tls_entry *older;
	SSL_SESSION *sessions[SESSIONS_PER_SERVER]; /* oldest first */
	unsigned count;
	unsigned refs;
	uint32_t hash;
	char key[];
};

struct mqev_tls_cache {
	struct mqev_tls_entry **buckets;
	size_t bucket_count; /* a power of two */
	size_t entries;
	size_t max_servers;
	size_t servers; /* with sessions */
	size_t sessions;
	struct mqev_tls_entry *newest;
	struct mqev_tls_entry *oldest;
};

struct mqev_tls_cache *
mqev_tls_cache_new(size_t max_servers)
{
	struct mqev_tls_cache *cache = mqev_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->max_servers = max_servers;
	cache->bucket_count = FIRST_BUCKETS;
	cache->buckets = mqev_calloc(cache->bucket_count, sizeof(struct mqev_tls_entry *));
	if (cache->buckets == NULL) {
		mqev_free(cache);
		return NULL;
	}
	return cache;
}

size_t
mqev_tls_cache_sessions(const struct mqev_tls_cache *cache)
{
	return cache->sessions;
}

static uint32_t
hash_of(const char *key)
{
	uint32_t hash = 2166136261u;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * 16777619u;
	return hash;
}

static struct mqev_tls_entry **
bucket_of(const struct mqev_tls_cache *cache, uint32_t hash)
{
	return &cache->buckets[hash & (cache->bucket_count - 1)];
}

/* Without memory the chains just grow longer. */
static void
grow(struct mqev_tls_cache *cache)
{
	size_t count = cache->bucket_count * 2;
	struct mqev_tls_entry **old = cache->buckets;
	size_t old_count = cache->bucket_count;
	struct mqev_tls_entry **fresh = mqev_calloc(count, sizeof(struct mqev_tls_entry *));

	if (fresh == NULL)
		return;
	cache->buckets = fresh;
	cache->bucket_count = count;
	for (size_t i = 0; i < old_count; i++) {
		struct mqev_tls_entry *e = old[i];
		while (e != NULL) {
			struct mqev_tls_entry *next = e->chain;
			struct mqev_tls_entry **bucket = bucket_of(cache, e->hash);
			e->chain = *bucket;
			*bucket = e;
			e = next;
		}
	}
	mqev_free(old);
}

static struct mqev_tls_entry *
find(const struct mqev_tls_cache *cache, const char *key, uint32_t hash)
{
	struct mqev_tls_entry *e = *bucket_of(cache, hash);

	while (e != NULL && (e->hash != hash || strcmp(e->key, key) != 0))
		e = e->chain;
	return e;
}

static void
unhash(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	struct mqev_tls_entry **at = bucket_of(cache, entry->hash);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	cache->entries--;
}

static void
unlist(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
	cache->servers--;
}

static void
list(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	entry->older = cache->newest;
	*(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
	cache->servers++;
}

static void
free_unused(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	if (entry->refs > 0 || entry->count > 0)
		return;
	unhash(cache, entry);
	mqev_free(entry);
}

/* Takes session number i out; the caller owns it. */
static SSL_SESSION *
detach(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry, unsigned i)
{
	SSL_SESSION *session = entry->sessions[i];

	entry->count--;
	cache->sessions--;
	memmove(&entry->sessions[i], &entry->sessions[i + 1],
	    (entry->count - i) * sizeof(entry->sessions[0]));
	if (entry->count == 0)
		unlist(cache, entry);
	return session;
}

void
mqev_tls_entry_drop(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	while (entry->count > 0)
		SSL_SESSION_free(detach(cache, entry, entry->count - 1));
}

void
mqev_tls_cache_clear(struct mqev_tls_cache *cache)
{
	while (cache->oldest != NULL) {
		struct mqev_tls_entry *entry = cache->oldest;
		mqev_tls_entry_drop(cache, entry);
		free_unused(cache, entry);
	}
}

void
mqev_tls_cache_free(struct mqev_tls_cache *cache)
{
	if (cache == NULL)
		return;
	mqev_tls_cache_clear(cache);
	mqev_free(cache->buckets);
	mqev_free(cache);
}

static struct mqev_tls_entry *
add(struct mqev_tls_cache *cache, const char *key, uint32_t hash)
{
	size_t len = strlen(key) + 1;
	struct mqev_tls_entry *entry = mqev_calloc(1, sizeof(*entry) + len);
	struct mqev_tls_entry **bucket;

	if (entry == NULL)
		return NULL;
	if (cache->entries >= cache->bucket_count)
		grow(cache);
	memcpy(entry->key, key, len);
	entry->hash = hash;
	bucket = bucket_of(cache, hash);
	entry->chain = *bucket;
	*bucket = entry;
	cache->entries++;
	return entry;
}

struct mqev_tls_entry *
mqev_tls_entry_get(struct mqev_tls_cache *cache, const char *host, uint16_t port, const char *name)
{
	size_t size = strlen(host) + strlen(name) + 16;
	char *key = mqev_malloc(size);
	struct mqev_tls_entry *entry;
	uint32_t hash;

	if (key == NULL)
		return NULL;
	snprintf(key, size, "%s\n%u\n%s", host, port, name);
	hash = hash_of(key);
	entry = find(cache, key, hash);
	if (entry == NULL)
		entry = add(cache, key, hash);
	mqev_free(key);
	if (entry != NULL)
		entry->refs++;
	return entry;
}

void
mqev_tls_entry_release(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry)
{
	entry->refs--;
	free_unused(cache, entry);
}

static void
evict(struct mqev_tls_cache *cache)
{
	struct mqev_tls_entry *oldest = cache->oldest;

	mqev_tls_entry_drop(cache, oldest);
	free_unused(cache, oldest);
}

/* OpenSSL marks a session as spent when its link ends without a farewell, so a copy is kept that no
 * link knows. */
void
mqev_tls_entry_put(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry, SSL_SESSION *session)
{
	SSL_SESSION *copy = SSL_SESSION_is_resumable(session) ? SSL_SESSION_dup(session) : NULL;

	if (copy == NULL)
		return;
	if (entry->count == SESSIONS_PER_SERVER)
		SSL_SESSION_free(detach(cache, entry, 0));
	if (entry->count > 0)
		unlist(cache, entry);
	list(cache, entry);
	entry->sessions[entry->count++] = copy;
	cache->sessions++;
	while (cache->servers > cache->max_servers)
		evict(cache);
}

/* The clock may have been set back: what was made in the future is not used either. */
static bool
still_valid(const SSL_SESSION *session, int64_t now)
{
	int64_t made = (int64_t)SSL_SESSION_get_time(session);

	return now >= made && now - made < (int64_t)SSL_SESSION_get_timeout(session);
}

SSL_SESSION *
mqev_tls_entry_take(struct mqev_tls_cache *cache, struct mqev_tls_entry *entry, int64_t now)
{
	while (entry->count > 0 && !still_valid(entry->sessions[entry->count - 1], now))
		SSL_SESSION_free(detach(cache, entry, entry->count - 1));
	if (entry->count == 0)
		return NULL;
	if (entry->count == 1)
		return SSL_SESSION_dup(entry->sessions[0]);
	return detach(cache, entry, entry->count - 1);
}
