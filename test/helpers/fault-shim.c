/*
 * Makes the n-th matching file operation of a process fail, fall short, or be its last: LD_PRELOAD this into Node.js.
 *
 *   FAULT_MATCH   a substring of the path of the operation's argument or file descriptor; unset: nothing matches
 *   FAULT_OPS     comma list of open, read, write, fsync, ftruncate, link, rename, unlink; unset: all
 *   FAULT_ACTION  an errno number | SHORT (reads and writes do half) | KILL (this process) | KILLGROUP (its process group) | COUNT (nothing)
 *   FAULT_AT      the first call acted upon, counted from 1 in each process; default 1
 *   FAULT_COUNTER a file: calls are counted in it, over all processes together
 *   FAULT_COUNT   how many calls from there on; default 1
 *   FAULT_LOG     gets a line "op path" for each matching call, before it is acted upon
 *   FAULT_WHEN    a file: while it is not there, nothing matches
 *   PAUSE_TEXTS   lines: the first write of each, to whatever file, is held up: PAUSE_GATE.<n>.reached is made, n from 0 on, and it goes on
 *   PAUSE_GATE    when PAUSE_GATE.<n>.open is there. A line may be two texts with a tab between them: the second is written after the first
 *
 * A kill comes before the call: with FAULT_AT=n exactly n-1 matching calls were carried out. Both the 32- and 64-bit names of glibc are
 * covered, since Node.js (libuv) and SQLite use either. Writes through mmap (into SQLite's -shm) are not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_PAUSES = 32 };
enum act { GO_ON, FAIL, HALVE };

static const char *match, *ops, *action, *log_path, *when, *pause_texts, *pause_gate;
static long first = 1, count = 1;
static atomic_long own_calls, *calls = &own_calls;

static void share_calls(const char *path) {
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *calls) < 0) abort();
  calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (calls == MAP_FAILED) abort();
  syscall(SYS_close, fd);
}

__attribute__((constructor)) static void configure(void) {
  match = getenv("FAULT_MATCH");
  ops = getenv("FAULT_OPS");
  action = getenv("FAULT_ACTION");
  log_path = getenv("FAULT_LOG");
  when = getenv("FAULT_WHEN");
  pause_texts = getenv("PAUSE_TEXTS");
  pause_gate = getenv("PAUSE_GATE");
  if (getenv("FAULT_AT")) first = atol(getenv("FAULT_AT"));
  if (getenv("FAULT_COUNT")) count = atol(getenv("FAULT_COUNT"));
  if (getenv("FAULT_COUNTER")) share_calls(getenv("FAULT_COUNTER"));
}

static int listed(const char *op) {
  if (!ops || !*ops) return 1;
  size_t length = strlen(op);
  for (const char *at = ops; (at = strstr(at, op)); at += length)
    if ((at == ops || at[-1] == ',') && (at[length] == ',' || at[length] == 0)) return 1;
  return 0;
}

/* Raw system calls, so that what we write is not seen by ourselves. */
static void note(const char *op, const char *path) {
  char line[PATH_MAX + 32];
  int length = snprintf(line, sizeof line, "%s %s\n", op, path);
  long fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  syscall(SYS_write, fd, line, length);
  syscall(SYS_close, fd);
}

static enum act decide(const char *op, const char *path, const char *other) {
  if (!match || !*match || !listed(op)) return GO_ON;
  if (!(path && strstr(path, match)) && !(other && strstr(other, match))) return GO_ON;
  if (when && syscall(SYS_faccessat, AT_FDCWD, when, F_OK) != 0) return GO_ON;
  long number = atomic_fetch_add(calls, 1) + 1;
  if (log_path) note(op, path);
  if (!action || number < first || number >= first + count || !strcmp(action, "COUNT")) return GO_ON;
  if (!strcmp(action, "KILLGROUP")) syscall(SYS_kill, 0, SIGKILL);
  if (!strcmp(action, "KILL")) syscall(SYS_kill, getpid(), SIGKILL);
  if (!strcmp(action, "SHORT")) return HALVE;
  errno = atoi(action);
  return FAIL;
}

static enum act decide_fd(const char *op, int fd) {
  if (!match || !*match) return GO_ON;
  int saved = errno;
  char link[40], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = saved;
  if (length < 0) return GO_ON;
  path[length] = 0;
  return decide(op, path, NULL);
}

/* Until somebody has opened the gate; it stays open. */
static void wait_at_gate(int number) {
  int saved = errno;
  char file[PATH_MAX];
  snprintf(file, sizeof file, "%s.%d.reached", pause_gate, number);
  long fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) syscall(SYS_close, fd);
  snprintf(file, sizeof file, "%s.%d.open", pause_gate, number);
  while (syscall(SYS_faccessat, AT_FDCWD, file, F_OK) != 0) usleep(2000);
  errno = saved;
}

static int is_written(const char *buffer, size_t length, const char *text, size_t size) {
  size_t first = strcspn(text, "\t");
  if (first >= size) return memmem(buffer, length, text, size) != NULL;
  const char *found = memmem(buffer, length, text, first);
  return found && memmem(found, length - (size_t)(found - buffer), text + first + 1, size - first - 1);
}

static void pause_at(const void *buffer, size_t length) {
  static atomic_int passed[MOST_PAUSES];
  if (!pause_texts || !pause_gate) return;
  const char *text = pause_texts;
  for (int number = 0; number < MOST_PAUSES && *text; number++) {
    size_t size = strcspn(text, "\n");
    if (is_written(buffer, length, text, size) && !atomic_exchange(&passed[number], 1)) wait_at_gate(number);
    text += size + (text[size] == '\n');
  }
}

static size_t half(enum act act, size_t length) {
  return act == HALVE && length > 1 ? length / 2 : length;
}

/* The first buffer alone, and half of it. */
static struct iovec half_vector(const struct iovec *vector) {
  return (struct iovec){vector->iov_base, half(HALVE, vector->iov_len)};
}

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    return decide("open", path, NULL) == FAIL ? -1 : real(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int directory, const char *path, int flags, ...) { \
    REAL(name); \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    return decide("open", path, NULL) == FAIL ? -1 : real(directory, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t read(int fd, void *buffer, size_t length) {
  REAL(read);
  enum act act = decide_fd("read", fd);
  return act == FAIL ? -1 : real(fd, buffer, half(act, length));
}
ssize_t write(int fd, const void *buffer, size_t length) {
  REAL(write);
  pause_at(buffer, length);
  enum act act = decide_fd("write", fd);
  return act == FAIL ? -1 : real(fd, buffer, half(act, length));
}

#define AT_OFFSET(op, name, buffer_type, offset_type) \
  ssize_t name(int fd, buffer_type buffer, size_t length, offset_type offset) { \
    REAL(name); \
    enum act act = decide_fd(op, fd); \
    return act == FAIL ? -1 : real(fd, buffer, half(act, length), offset); \
  }
AT_OFFSET("read", pread, void *, off_t)
AT_OFFSET("read", pread64, void *, off64_t)
AT_OFFSET("write", pwrite, const void *, off_t)
AT_OFFSET("write", pwrite64, const void *, off64_t)

#define VECTOR(op, name) \
  ssize_t name(int fd, const struct iovec *vector, int length) { \
    REAL(name); \
    enum act act = decide_fd(op, fd); \
    if (act == FAIL) return -1; \
    if (act == HALVE && length > 0) { struct iovec one = half_vector(vector); return real(fd, &one, 1); } \
    return real(fd, vector, length); \
  }
VECTOR("read", readv)
VECTOR("write", writev)

#define VECTOR_AT_OFFSET(op, name, offset_type) \
  ssize_t name(int fd, const struct iovec *vector, int length, offset_type offset) { \
    REAL(name); \
    enum act act = decide_fd(op, fd); \
    if (act == FAIL) return -1; \
    if (act == HALVE && length > 0) { struct iovec one = half_vector(vector); return real(fd, &one, 1, offset); } \
    return real(fd, vector, length, offset); \
  }
VECTOR_AT_OFFSET("read", preadv, off_t)
VECTOR_AT_OFFSET("read", preadv64, off64_t)
VECTOR_AT_OFFSET("write", pwritev, off_t)
VECTOR_AT_OFFSET("write", pwritev64, off64_t)

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags) {
  REAL(copy_file_range);
  enum act act = decide_fd("write", out);
  return act == FAIL ? -1 : real(in, in_at, out, out_at, half(act, length), flags);
}

#define SENDFILE(name, offset_type) \
  ssize_t name(int out, int in, offset_type *offset, size_t length) { \
    REAL(name); \
    enum act act = decide_fd("write", out); \
    return act == FAIL ? -1 : real(out, in, offset, half(act, length)); \
  }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

/* libuv copies files by copy_file_range, and calls it this way; everything else passes through. */
long syscall(long number, ...) {
  REAL(syscall);
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_copy_file_range) {
    enum act act = decide_fd("write", (int)c);
    if (act == FAIL) return -1;
    e = (long)half(act, (size_t)e);
  }
  return real(number, a, b, c, d, e, f);
}

#define SYNC(name) \
  int name(int fd) { REAL(name); return decide_fd("fsync", fd) == FAIL ? -1 : real(fd); }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset_type) \
  int name(int fd, offset_type length) { REAL(name); return decide_fd("ftruncate", fd) == FAIL ? -1 : real(fd, length); }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int link(const char *from, const char *to) {
  REAL(link);
  return decide("link", from, to) == FAIL ? -1 : real(from, to);
}
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
  REAL(linkat);
  return decide("link", from, to) == FAIL ? -1 : real(from_directory, from, to_directory, to, flags);
}
int rename(const char *from, const char *to) {
  REAL(rename);
  return decide("rename", from, to) == FAIL ? -1 : real(from, to);
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
  REAL(renameat);
  return decide("rename", from, to) == FAIL ? -1 : real(from_directory, from, to_directory, to);
}
int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
  REAL(renameat2);
  return decide("rename", from, to) == FAIL ? -1 : real(from_directory, from, to_directory, to, flags);
}
int unlink(const char *path) {
  REAL(unlink);
  return decide("unlink", path, NULL) == FAIL ? -1 : real(path);
}
int unlinkat(int directory, const char *path, int flags) {
  REAL(unlinkat);
  return decide("unlink", path, NULL) == FAIL ? -1 : real(directory, path, flags);
}
int remove(const char *path) {
  REAL(remove);
  return decide("unlink", path, NULL) == FAIL ? -1 : real(path);
}
