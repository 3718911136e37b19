/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands between a process and its disk (LD_PRELOAD) for the files below $FAULT_ROOT.
 *
 * - Faults on demand: the file $FAULT_CONTROL holds counters of faults still to come (below).
 * - What a power cut leaves: $FAULT_ROOT.disk holds, per file (with \ for /), what was synced, and in
 *   NAME.pending what was written since (records: offset, length or -1 for a truncation, bytes), of
 *   which a power cut may leave any part. A file is on the disk once it was synced, a rename at once:
 *   of a file that was not synced it leaves an empty one. A failed sync drops what was pending, as
 *   Linux does: later syncs succeed without it.
 * - Other ways to change a file (mapped memory, vectors, preallocation) end the process, by name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SYNC_EIO, WRITE_EIO, WRITE_ENOSPC, WRITE_SHORT, INJECTED, COUNTERS };
#define FDS 1024

struct record {
  struct record *next;
  int64_t offset, length;
  char bytes[];
};
struct file {
  struct file *next;
  int disk, pending; /* descriptors; disk is -1 until the first sync */
  struct record *first, **last;
  char *name; /* below root; empty once it is unlinked */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files, *of[FDS];
static const char *root;
static volatile int32_t *control;
static __thread int inside; /* our own calls pass */

#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAULT_CONTROL");
  root = getenv("FAULT_ROOT");
  if (path) {
    inside = 1;
    int fd = open(path, O_RDWR);
    inside = 0;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(0, COUNTERS * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    control = map;
  }
}

/* Whether this fault is due; counts it. */
static int due(int which) {
  if (!control || control[which] == 0) return 0;
  if (control[which] > 0) control[which]--; /* -1: until told otherwise */
  control[INJECTED]++;
  return 1;
}

static void disk_path(char *to, size_t size, const char *name, const char *more) {
  snprintf(to, size, "%s.disk/%s%s", root, name, more);
  for (to += strlen(root) + 6; *to; to++)
    if (*to == '/') *to = '\\';
}

/* Below root; 0: not ours. */
static const char *below(const char *path) {
  size_t length = root ? strlen(root) : 0;
  return !root || strncmp(path, root, length) || path[length] != '/' ? 0 : path + length + 1;
}

static struct file *named(const char *name) {
  struct file *file = files;
  while (name && file && strcmp(file->name, name)) file = file->next;
  return name ? file : 0;
}

static void opened(int fd, const char *path) {
  const char *name = below(path);
  if (inside || fd < 0 || fd >= FDS || !name) return;
  const char *tail = strrchr(name, '-');
  if ((tail && !strcmp(tail, "-shm")) || strstr(name, ".lock")) return;
  struct stat status;
  if (fstat(fd, &status) || !S_ISREG(status.st_mode)) return;
  pthread_mutex_lock(&lock);
  inside = 1;
  struct file *file = named(name);
  if (!file) {
    char where[4096];
    file = calloc(1, sizeof *file);
    file->name = strdup(name);
    file->last = &file->first;
    disk_path(where, sizeof where, name, "");
    file->disk = open(where, O_RDWR);
    disk_path(where, sizeof where, name, ".pending");
    file->pending = open(where, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (file->pending < 0) abort();
    file->next = files;
    files = file;
  }
  of[fd] = file;
  inside = 0;
  pthread_mutex_unlock(&lock);
}

static void note(int fd, int64_t offset, int64_t length, const void *bytes) {
  struct file *file = of[fd];
  size_t size = length > 0 ? length : 0;
  struct record *record = malloc(sizeof *record + size);
  record->next = 0;
  record->offset = offset;
  record->length = length;
  memcpy(record->bytes, bytes, size);
  pthread_mutex_lock(&lock);
  inside = 1;
  *file->last = record;
  file->last = &record->next;
  if (write(file->pending, (char *)record + offsetof(struct record, offset), 16 + size) != (ssize_t)(16 + size)) abort();
  inside = 0;
  pthread_mutex_unlock(&lock);
}

static void settle(struct file *file, int keep) {
  char where[4096];
  pthread_mutex_lock(&lock);
  inside = 1;
  keep = keep && file->name[0];
  if (file->disk < 0 && keep) {
    disk_path(where, sizeof where, file->name, "");
    file->disk = open(where, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file->disk < 0) abort();
  }
  while (file->first) {
    struct record *record = file->first;
    if (keep && record->length < 0) {
      if (ftruncate(file->disk, record->offset)) abort();
    } else if (keep && pwrite(file->disk, record->bytes, record->length, record->offset) < 0)
      abort();
    file->first = record->next;
    free(record);
  }
  file->last = &file->first;
  if (ftruncate(file->pending, 0)) abort();
  inside = 0;
  pthread_mutex_unlock(&lock);
}

static int ours(int fd) { return !inside && fd >= 0 && fd < FDS && of[fd]; }

/* It has no name any more; what has it open goes on. */
static void forget(struct file *file, int (*unlink)(const char *)) {
  char where[4096];
  settle(file, 0);
  disk_path(where, sizeof where, file->name, "");
  unlink(where);
  disk_path(where, sizeof where, file->name, ".pending");
  unlink(where);
  file->name = "";
  if (file->disk >= 0) close(file->disk);
  file->disk = -1;
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int result = real(path);
  struct file *file = result || inside ? 0 : named(below(path));
  if (file) forget(file, real);
  return result;
}

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  struct file *file = named(below(from)), *over = named(below(to));
  int result = real(from, to);
  if (result || inside || (!file && !over)) return result;
  if (!file || !below(to)) abort(); /* into the folder, or out of it: not known */
  char old[4096], new[4096];
  const char *more[] = {"", ".pending"};
  inside = 1;
  if (over) forget(over, unlink);
  for (int which = 0; which < 2; which++) {
    disk_path(old, sizeof old, file->name, more[which]);
    disk_path(new, sizeof new, below(to), more[which]);
    if (real(old, new)) close(open(new, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (which == 0 && file->disk < 0) file->disk = open(new, O_RDWR);
  }
  inside = 0;
  file->name = strdup(below(to));
  return result;
}

#define OPEN(function) \
  int function(const char *path, int flags, ...) { \
    REAL(int, #function, const char *, int, ...); \
    va_list more; \
    va_start(more, flags); \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
    va_end(more); \
    int fd = real(path, flags, mode); \
    opened(fd, path); \
    if (ours(fd) && flags & O_TRUNC) note(fd, 0, -1, ""); \
    return fd; \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(function) \
  int function(int at, const char *path, int flags, ...) { \
    REAL(int, #function, int, const char *, int, ...); \
    va_list more; \
    va_start(more, flags); \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
    va_end(more); \
    int fd = real(at, path, flags, mode); \
    opened(fd, path); \
    if (ours(fd) && flags & O_TRUNC) note(fd, 0, -1, ""); \
    return fd; \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  REAL(int, "close", int);
  if (ours(fd)) of[fd] = 0;
  return real(fd);
}

#define FCNTL(function) \
  int function(int fd, int command, ...) { \
    REAL(int, #function, int, int, ...); \
    va_list more; \
    va_start(more, command); \
    void *argument = va_arg(more, void *); \
    va_end(more); \
    int result = real(fd, command, argument); \
    int twin = command == F_DUPFD || command == F_DUPFD_CLOEXEC; \
    if (twin && ours(fd) && result >= 0 && result < FDS) of[result] = of[fd]; \
    return result; \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

/* What the real call shall write; -1: nothing, with errno. */
static ssize_t allowed(size_t size, int *full) {
  if (due(WRITE_EIO)) return errno = EIO, -1;
  *full = due(WRITE_ENOSPC);
  return *full || due(WRITE_SHORT) ? size / 2 : size; /* part of it may get there */
}

#define PWRITE(function) \
  ssize_t function(int fd, const void *bytes, size_t size, off_t offset) { \
    REAL(ssize_t, #function, int, const void *, size_t, off_t); \
    if (!ours(fd)) return real(fd, bytes, size, offset); \
    int full = 0; \
    ssize_t some = allowed(size, &full); \
    ssize_t written = some < 0 ? -1 : real(fd, bytes, some, offset); \
    if (written > 0) note(fd, offset, written, bytes); \
    return full ? (errno = ENOSPC, -1) : written; \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  if (!ours(fd)) return real(fd, bytes, size);
  int full = 0;
  ssize_t some = allowed(size, &full);
  ssize_t written = some < 0 ? -1 : real(fd, bytes, some);
  if (written > 0) note(fd, lseek(fd, 0, SEEK_CUR) - written, written, bytes);
  return full ? (errno = ENOSPC, -1) : written;
}

/* Ways to change a file that are not followed. */
#define REFUSED(result, function, condition, parameters, ...) \
  result function parameters { \
    static result (*real) parameters; \
    if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #function); \
    if ((condition) && ours(fd)) { \
      static const char text[] = "faults.c: not followed: " #function "\n"; \
      fwrite(text, 1, sizeof text - 1, stderr); \
      abort(); \
    } \
    return real(__VA_ARGS__); \
  }
#define MAPPED (protection & PROT_WRITE && flags & MAP_SHARED)
REFUSED(void *, mmap, MAPPED, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
        at, size, protection, flags, fd, offset)
REFUSED(void *, mmap64, MAPPED, (void *at, size_t size, int protection, int flags, int fd, off64_t offset),
        at, size, protection, flags, fd, offset)
REFUSED(ssize_t, writev, 1, (int fd, const struct iovec *parts, int count), fd, parts, count)
REFUSED(ssize_t, pwritev, 1, (int fd, const struct iovec *parts, int count, off_t offset), fd, parts, count, offset)
REFUSED(ssize_t, pwritev64, 1, (int fd, const struct iovec *parts, int count, off64_t offset), fd, parts, count, offset)
REFUSED(ssize_t, pwritev2, 1, (int fd, const struct iovec *parts, int count, off_t offset, int flags), fd, parts, count, offset, flags)
REFUSED(int, fallocate, 1, (int fd, int mode, off_t offset, off_t size), fd, mode, offset, size)
REFUSED(int, posix_fallocate, 1, (int fd, off_t offset, off_t size), fd, offset, size)
REFUSED(int, posix_fallocate64, 1, (int fd, off64_t offset, off64_t size), fd, offset, size)
REFUSED(ssize_t, copy_file_range, 1, (int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned flags), in, from, fd, to, size, flags)
REFUSED(ssize_t, sendfile, 1, (int fd, int in, off_t *from, size_t size), fd, in, from, size)

#define TRUNCATE(function) \
  int function(int fd, off_t size) { \
    REAL(int, #function, int, off_t); \
    int result = real(fd, size); \
    if (!result && ours(fd)) note(fd, size, -1, ""); \
    return result; \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define SYNC(function) \
  int function(int fd) { \
    REAL(int, #function, int); \
    if (!ours(fd)) return real(fd); \
    if (due(SYNC_EIO)) return settle(of[fd], 0), errno = EIO, -1; \
    settle(of[fd], 1); \
    return 0; \
  }
SYNC(fsync)
SYNC(fdatasync)
