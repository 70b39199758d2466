/* A disk whose fsync takes longer: every fsync and fdatasync sleeps for FSYNC_NS nanoseconds (1 ms) before it is done.
 *
 * cc -shared -fPIC -O2 -o slow-fsync.so examples/mesh/slow-fsync.c; LD_PRELOAD=$PWD/slow-fsync.so ... */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int file)
{
	int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
	const char *wanted = getenv("FSYNC_NS");
	long nanoseconds = wanted ? atol(wanted) : 1000000;
	struct timespec pause = {nanoseconds / 1000000000, nanoseconds % 1000000000};
	nanosleep(&pause, NULL);
	return sync(file);
}

int fsync(int file) { return slowly("fsync", file); }

int fdatasync(int file) { return slowly("fdatasync", file); }
