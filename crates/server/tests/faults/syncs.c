/* Makes fsync fail from the Nth call on, as a dying disk does; every call is told in a file: `.` was done, `f` failed, `d` failed for a
 * directory.
 * FAULTY_SYNC_FROM: the first call that fails; FAULTY_SYNC_TIMES: how many fail; FAULTY_SYNC_TOLD: the file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static int fails(int synced) {
    const char *from = getenv("FAULTY_SYNC_FROM"), *times = getenv("FAULTY_SYNC_TIMES"), *told = getenv("FAULTY_SYNC_TOLD");
    if (!from || !times || !told)
        return 0;
    long call = atomic_fetch_add(&calls, 1) + 1, first = atol(from);
    int failing = call >= first && call - first < atol(times);
    struct stat about;
    int of_directory = fstat(synced, &about) == 0 && S_ISDIR(about.st_mode);
    int file = open(told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, !failing ? "." : of_directory ? "d" : "f", 1) != 1)
        abort();
    close(file);
    return failing;
}

#define SYNC(name)                                                                                                                 \
    int name(int file) {                                                                                                           \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name);                                                                  \
        if (fails(file)) {                                                                                                             \
            errno = EIO;                                                                                                           \
            return -1;                                                                                                             \
        }                                                                                                                          \
        return real(file);                                                                                                         \
    }

SYNC(fsync)
SYNC(fdatasync)

int sync_file_range(int file, off64_t offset, off64_t length, unsigned int flags) {
    int (*real)(int, off64_t, off64_t, unsigned int) =
        (int (*)(int, off64_t, off64_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    if (fails(file)) {
        errno = EIO;
        return -1;
    }
    return real(file, offset, length, flags);
}
