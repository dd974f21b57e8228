/* A preload shim that turns the death of a process into a power loss.
 *
 * Bytes written to files under $POWERLOSS_DIR stay in this process's memory until fdatasync or fsync of that file
 * carries them to the real one; reads see them at once, as the page cache would show them. When the process dies, what
 * was not synced is gone. Sizes and names are carried at once: a file may be found longer than its synced bytes, with
 * zeros in the gap, which is what a power loss leaves on many file systems.
 *
 *   POWERLOSS_DIR=D          files below this folder, an absolute path without links
 *   POWERLOSS_DROP=1         keep unsynced bytes in memory only
 *   FDATASYNC_NOOP=1         fdatasync reports success and does nothing, as if the call were removed
 *   FDATASYNC_DELAY_MS=N     fdatasync takes N milliseconds longer
 *   FDATASYNC_FAIL_AFTER=N   the call after the first N fails with EIO and loses its bytes; later ones report success
 *
 * Not kept apart: memory maps, duplicated descriptors, vectored writes. The program under test uses none on its logs.
 *
 * Build: cc -shared -fPIC -O2 -o powerloss.so powerloss.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define FDS_MAX 65536
#define FILES_MAX 4096

struct page {
    int dirty;
    char bytes[PAGE];
};

struct file {
    dev_t device;
    ino_t inode;
    int gone;
    struct page **pages;
    size_t page_count;
    pthread_mutex_t syncing;
};

static struct file *files[FILES_MAX];
static size_t file_count;
static struct file *by_fd[FDS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static char dir[PATH_MAX];
static size_t dir_length;
static int drops, syncs_nothing;
static long delay_ms, fail_after = -1, sync_calls;

static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, int, off_t, off_t);
static int (*real_posix_fallocate)(int, off_t, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_sync_file_range)(int, off64_t, off64_t, unsigned int);

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

static void start(void) {
    const char *given = getenv("POWERLOSS_DIR");
    if (given && *given) {
        snprintf(dir, sizeof dir, "%s", given);
        dir_length = strlen(dir);
    }
    drops = number("POWERLOSS_DROP", 0) != 0;
    syncs_nothing = number("FDATASYNC_NOOP", 0) != 0;
    delay_ms = number("FDATASYNC_DELAY_MS", 0);
    fail_after = number("FDATASYNC_FAIL_AFTER", -1);
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_read = dlsym(RTLD_NEXT, "read");
    real_pread = dlsym(RTLD_NEXT, "pread");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fallocate = dlsym(RTLD_NEXT, "fallocate");
    real_posix_fallocate = dlsym(RTLD_NEXT, "posix_fallocate");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_sync_file_range = dlsym(RTLD_NEXT, "sync_file_range");
}

static void ready(void) { pthread_once(&once, start); }

static void give_up(const char *why) {
    static const char head[] = "powerloss shim: ";
    (void)!real_write(2, head, sizeof head - 1);
    (void)!real_write(2, why, strlen(why));
    (void)!real_write(2, "\n", 1);
    _exit(99);
}

static void *room(void *old, size_t bytes) {
    void *made = realloc(old, bytes);
    if (!made) give_up("no memory");
    return made;
}

/* ---- which files ---- */

static struct file *known(dev_t device, ino_t inode) {
    for (size_t i = 0; i < file_count; i++)
        if (!files[i]->gone && files[i]->device == device && files[i]->inode == inode) return files[i];
    return NULL;
}

static int below_dir(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return dir_length && length > (ssize_t)dir_length && !strncmp(path, dir, dir_length) && path[dir_length] == '/';
}

static void forget_pages(struct file *file, size_t from) {
    for (size_t i = from; i < file->page_count; i++) {
        free(file->pages[i]);
        file->pages[i] = NULL;
    }
}

static void track(int fd, int flags) {
    struct stat stat;
    if (fd < 0 || !below_dir(fd) || fstat(fd, &stat) || !S_ISREG(stat.st_mode)) return;
    if (fd >= FDS_MAX) give_up("too many descriptors");
    pthread_mutex_lock(&lock);
    struct file *file = known(stat.st_dev, stat.st_ino);
    if (!file) {
        if (file_count == FILES_MAX) give_up("too many files");
        file = memset(room(NULL, sizeof *file), 0, sizeof *file);
        file->device = stat.st_dev;
        file->inode = stat.st_ino;
        pthread_mutex_init(&file->syncing, NULL);
        files[file_count++] = file;
    }
    if (flags & O_TRUNC) forget_pages(file, 0);
    by_fd[fd] = file;
    pthread_mutex_unlock(&lock);
}

static struct file *file_of(int fd) { return fd >= 0 && fd < FDS_MAX ? by_fd[fd] : NULL; }

/* A removed file's inode may be given to a new file, which must not inherit its bytes. */
static void forget_path(const char *path) {
    struct stat found;
    if (!dir_length || stat(path, &found) || found.st_nlink > 1) return;
    pthread_mutex_lock(&lock);
    struct file *file = known(found.st_dev, found.st_ino);
    if (file) file->gone = 1;
    pthread_mutex_unlock(&lock);
}

/* ---- bytes in memory ---- */

static struct page *page_at(int fd, struct file *file, size_t index) {
    if (index >= file->page_count) {
        size_t count = index * 2 + 64;
        file->pages = room(file->pages, count * sizeof *file->pages);
        memset(file->pages + file->page_count, 0, (count - file->page_count) * sizeof *file->pages);
        file->page_count = count;
    }
    if (!file->pages[index]) {
        struct page *page = memset(room(NULL, sizeof *page), 0, sizeof *page);
        /* What is on the medium stands in the rest of the page. A write-only descriptor cannot tell: none is used. */
        (void)!real_pread(fd, page->bytes, PAGE, (off_t)index * PAGE);
        file->pages[index] = page;
    }
    return file->pages[index];
}

static ssize_t put(int fd, struct file *file, const char *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&lock);
    struct stat stat;
    fstat(fd, &stat);
    if (stat.st_size < offset + (off_t)length && real_ftruncate(fd, offset + (off_t)length)) {
        pthread_mutex_unlock(&lock);
        return -1;
    }
    for (size_t done = 0; done < length;) {
        size_t place = (size_t)offset + done, start = place % PAGE;
        size_t part = PAGE - start < length - done ? PAGE - start : length - done;
        struct page *page = page_at(fd, file, place / PAGE);
        memcpy(page->bytes + start, bytes + done, part);
        page->dirty = 1;
        done += part;
    }
    pthread_mutex_unlock(&lock);
    return (ssize_t)length;
}

static void lay_over(struct file *file, char *bytes, size_t length, off_t offset) {
    pthread_mutex_lock(&lock);
    for (size_t done = 0; done < length;) {
        size_t place = (size_t)offset + done, start = place % PAGE;
        size_t part = PAGE - start < length - done ? PAGE - start : length - done;
        if (place / PAGE < file->page_count && file->pages[place / PAGE])
            memcpy(bytes + done, file->pages[place / PAGE]->bytes + start, part);
        done += part;
    }
    pthread_mutex_unlock(&lock);
}

/* Carries what is dirty now to the real file, after the delay; what is written meanwhile waits for the next sync. */
static int carry(int fd, struct file *file, long delay, int lose) {
    pthread_mutex_lock(&file->syncing);
    pthread_mutex_lock(&lock);
    size_t count = 0, room_for = 64;
    size_t *indexes = room(NULL, room_for * sizeof *indexes);
    char *copies = room(NULL, room_for * PAGE);
    for (size_t i = 0; i < file->page_count; i++) {
        if (!file->pages[i] || !file->pages[i]->dirty) continue;
        if (count == room_for) {
            room_for *= 2;
            indexes = room(indexes, room_for * sizeof *indexes);
            copies = room(copies, room_for * PAGE);
        }
        indexes[count] = i;
        memcpy(copies + count++ * PAGE, file->pages[i]->bytes, PAGE);
        file->pages[i]->dirty = 0;
    }
    struct stat stat;
    fstat(fd, &stat);
    pthread_mutex_unlock(&lock);
    if (delay > 0) {
        struct timespec time = {delay / 1000, delay % 1000 * 1000000};
        nanosleep(&time, NULL);
    }
    int failed = lose;
    for (size_t i = 0; i < count && !lose; i++) {
        off_t place = (off_t)indexes[i] * PAGE;
        size_t length = stat.st_size - place < PAGE ? (size_t)(stat.st_size > place ? stat.st_size - place : 0) : PAGE;
        if (length && real_pwrite(fd, copies + i * PAGE, length, place) != (ssize_t)length) failed = 1;
    }
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count && !lose; i++) {
        struct page *page = indexes[i] < file->page_count ? file->pages[indexes[i]] : NULL;
        if (page && !page->dirty) {
            free(page);
            file->pages[indexes[i]] = NULL;
        }
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&file->syncing);
    free(indexes);
    free(copies);
    if (failed) errno = EIO;
    return failed ? -1 : 0;
}

static void cut(int fd, struct file *file, off_t length) {
    pthread_mutex_lock(&lock);
    size_t index = (size_t)length / PAGE, start = (size_t)length % PAGE;
    if (start && index < file->page_count && file->pages[index]) {
        memset(file->pages[index]->bytes + start, 0, PAGE - start);
        index++;
    } else if (start) {
        index++;
    }
    forget_pages(file, index);
    pthread_mutex_unlock(&lock);
    (void)fd;
}

/* ---- the calls ---- */

static int open_any(int at, const char *path, int flags, mode_t mode) {
    ready();
    int fd = real_openat(at, path, flags, mode);
    track(fd, flags);
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(at, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
    ready();
    if (fd >= 0 && fd < FDS_MAX) by_fd[fd] = NULL;
    return real_close(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    ready();
    struct file *file = drops ? file_of(fd) : NULL;
    return file ? put(fd, file, bytes, length, offset) : real_pwrite(fd, bytes, length, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return pwrite(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    ready();
    struct file *file = drops ? file_of(fd) : NULL;
    if (!file) return real_write(fd, bytes, length);
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    ssize_t done = put(fd, file, bytes, length, lseek(fd, 0, appends ? SEEK_END : SEEK_CUR));
    if (done > 0 && !appends) lseek(fd, done, SEEK_CUR);
    return done;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    ready();
    ssize_t done = real_pread(fd, bytes, length, offset);
    struct file *file = drops ? file_of(fd) : NULL;
    if (file && done > 0) lay_over(file, bytes, (size_t)done, offset);
    return done;
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) { return pread(fd, bytes, length, offset); }

ssize_t read(int fd, void *bytes, size_t length) {
    ready();
    struct file *file = drops ? file_of(fd) : NULL;
    if (!file) return real_read(fd, bytes, length);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = real_read(fd, bytes, length);
    if (done > 0) lay_over(file, bytes, (size_t)done, offset);
    return done;
}

int ftruncate(int fd, off_t length) {
    ready();
    struct file *file = drops ? file_of(fd) : NULL;
    if (file) cut(fd, file, length);
    return real_ftruncate(fd, length);
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

/* Room is metadata: it is made at once and reads as zeros. */
int fallocate(int fd, int mode, off_t offset, off_t length) {
    ready();
    return real_fallocate(fd, mode, offset, length);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }
int posix_fallocate(int fd, off_t offset, off_t length) {
    ready();
    return real_posix_fallocate(fd, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

int fdatasync(int fd) {
    ready();
    struct file *file = file_of(fd);
    if (!file) return real_fdatasync(fd);
    if (syncs_nothing) return 0;
    int lose = fail_after >= 0 && __sync_add_and_fetch(&sync_calls, 1) == fail_after + 1;
    if (drops) return carry(fd, file, delay_ms, lose);
    if (delay_ms > 0) {
        struct timespec time = {delay_ms / 1000, delay_ms % 1000 * 1000000};
        nanosleep(&time, NULL);
    }
    if (lose) {
        errno = EIO;
        return -1;
    }
    return real_fdatasync(fd);
}

int fsync(int fd) {
    ready();
    struct file *file = drops ? file_of(fd) : NULL;
    return file ? carry(fd, file, 0, 0) : real_fsync(fd);
}

/* It promises nothing about durability. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
    ready();
    return drops && file_of(fd) ? 0 : real_sync_file_range(fd, offset, length, flags);
}

int rename(const char *from, const char *to) {
    ready();
    if (drops) forget_path(to);
    return real_rename(from, to);
}

int unlink(const char *path) {
    ready();
    if (drops) forget_path(path);
    return real_unlink(path);
}
