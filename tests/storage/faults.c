/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands between a process and its disk (LD_PRELOAD) for the files below $FAULT_ROOT.
 *
 * - Faults on demand: the file $FAULT_CONTROL holds counters of faults still to come (below).
 * - What a power cut leaves: $FAULT_ROOT.disk holds, per file, what was synced, and in NAME.pending
 *   what was written since (records: offset, length or -1 for a truncation, bytes), of which a
 *   power cut may leave any part. A file is on the disk once it was synced. A failed sync drops
 *   what was pending, as Linux does: later syncs succeed without it.
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
  char name[];
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
}

static struct file *named(const char *path) {
  size_t length = root ? strlen(root) : 0;
  struct file *file = files;
  if (!root || strncmp(path, root, length) || path[length] != '/') return 0;
  while (file && strcmp(file->name, path + length + 1)) file = file->next;
  return file;
}

static void opened(int fd, const char *path) {
  size_t length = root ? strlen(root) : 0;
  if (inside || fd < 0 || fd >= FDS || !root || strncmp(path, root, length) || path[length] != '/')
    return;
  const char *name = path + length + 1;
  const char *tail = strrchr(name, '-');
  if (strchr(name, '/') || (tail && !strcmp(tail, "-shm")) || strstr(name, ".lock")) return;
  pthread_mutex_lock(&lock);
  inside = 1;
  struct file *file = named(path);
  if (!file) {
    char where[4096];
    file = calloc(1, sizeof *file + strlen(name) + 1);
    strcpy(file->name, name);
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

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int result = real(path);
  struct file *file = result || inside ? 0 : named(path);
  if (file) {
    char where[4096];
    settle(file, 0);
    inside = 1;
    disk_path(where, sizeof where, file->name, "");
    real(where);
    if (file->disk >= 0) close(file->disk);
    file->disk = -1;
    inside = 0;
  }
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
    return fd; \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  REAL(int, "close", int);
  if (ours(fd)) of[fd] = 0;
  return real(fd);
}

#define PWRITE(function) \
  ssize_t function(int fd, const void *bytes, size_t size, off_t offset) { \
    REAL(ssize_t, #function, int, const void *, size_t, off_t); \
    if (!ours(fd)) return real(fd, bytes, size, offset); \
    if (due(WRITE_EIO)) return errno = EIO, -1; \
    int full = due(WRITE_ENOSPC); \
    if (full || due(WRITE_SHORT)) size /= 2; /* part of it may get there */ \
    ssize_t written = real(fd, bytes, size, offset); \
    if (written > 0) note(fd, offset, written, bytes); \
    return full ? (errno = ENOSPC, -1) : written; \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

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
