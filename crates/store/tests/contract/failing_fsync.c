/* Makes fsync and fdatasync fail for files whose name ends as the file $JETON_FAIL says; preloaded into a child of the tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int must_fail(int fd) {
    char link[64], name[4096], suffix[256] = "";
    const char *order = getenv("JETON_FAIL");
    FILE *file = order ? fopen(order, "r") : NULL;
    if (!file) return 0;
    if (!fgets(suffix, sizeof suffix, file)) suffix[0] = 0;
    fclose(file);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    size_t end = strlen(suffix);
    return end && length >= (ssize_t)end && !memcmp(name + length - end, suffix, end);
}

static int sync_with(const char *function, int fd) {
    if (must_fail(fd)) { errno = EIO; return -1; }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    return real(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
