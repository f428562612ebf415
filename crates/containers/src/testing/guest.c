/* What tests run in containers. The first argument says what to do. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void end(int signal) { _exit(128 + signal); }

static int wait_for_end(void) {
    for (;;)
        pause();
}

/* prints N OUT... ERR...: the first N to standard output, the others to standard error. */
static int print(int count, char **words) {
    int out = atoi(words[0]);
    for (int i = 1; i < count; i++)
        fprintf(i <= out ? stdout : stderr, "%s\n", words[i]);
    return 0;
}

static int echo(int count, char **words) {
    for (int i = 0; i < count; i++)
        puts(words[i]);
    for (char **variable = environ; *variable; variable++)
        puts(*variable);
    return 0;
}

/* As a shell reports a command that died of a signal: process 1 of a container is deaf to its own. */
static int die(void) {
    int status;
    if (fork() == 0)
        abort();
    wait(&status);
    return 128 + WTERMSIG(status);
}

static int allocate(size_t bytes) {
    char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < bytes; i += 4096)
        memory[i] = 1;
    return 0;
}

/* serves PORT [TEXT] */
static int serve(int port, const char *text) {
    char answer[4096], request[4096];
    int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n%s",
                          strlen(text), text);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 64)) {
        perror("failed to listen");
        return 1;
    }
    printf("listening on port %d\n", port);
    for (;;) {
        int client = accept(listener, 0, 0);
        if (client < 0)
            continue;
        if (read(client, request, sizeof request) > 0 && write(client, answer, length) < 0)
            perror("failed to answer");
        close(client);
    }
}

/* As fast as a disk bears it, in lines that tell if one is missing. */
static int count_up(void) {
    for (unsigned long i = 0;; i++) {
        printf("%lu\n", i);
        usleep(50);
    }
}

static int spin(void) {
    for (volatile unsigned long i = 0;; i++) {
    }
}

/* cats: its input becomes its output. */
static int cat(void) {
    char buffer[65536];
    ssize_t length;
    while ((length = read(0, buffer, sizeof buffer)) > 0)
        for (ssize_t done = 0, put; done < length; done += put)
            if ((put = write(1, buffer + done, length - done)) < 0)
                return 1;
    return 0;
}

/* measures COLUMNS: waits until its terminal is so wide, and says how large it is. */
static int measure(int columns) {
    struct winsize size = {0};
    while (ioctl(0, TIOCGWINSZ, &size) == 0 && size.ws_col != columns)
        usleep(10000);
    printf("%d by %d\n", size.ws_col, size.ws_row);
    return size.ws_col != columns;
}

/* shows FILE: its content; writes FILE TEXT: puts that there. */
static int show(const char *path) {
    char buffer[4096];
    size_t length;
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    while ((length = fread(buffer, 1, sizeof buffer, file)) > 0)
        fwrite(buffer, 1, length, stdout);
    return 0;
}

static int put(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        perror(path);
        return 1;
    }
    return 0;
}

/* who: user, group, and the lines of /proc/self/status that tell of privileges. */
static int who(void) {
    printf("user %d group %d\n", getuid(), getgid());
    return show("/proc/self/status");
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    const char *first = count > 2 ? words[2] : "";
    setvbuf(stdout, 0, _IOLBF, 0);
    signal(SIGTERM, end);
    if (!strcmp(what, "exits"))
        return atoi(first);
    if (!strcmp(what, "prints"))
        return print(count - 2, words + 2);
    if (!strcmp(what, "sleeps"))
        return wait_for_end();
    if (!strcmp(what, "ignores-stop")) {
        signal(SIGTERM, SIG_IGN);
        return wait_for_end();
    }
    if (!strcmp(what, "dies"))
        return die();
    if (!strcmp(what, "allocates"))
        return allocate(strtoul(first, 0, 10));
    if (!strcmp(what, "spins"))
        return spin();
    if (!strcmp(what, "counts"))
        return count_up();
    if (!strcmp(what, "serves"))
        return serve(atoi(first), count > 3 ? words[3] : "hello from a container\n");
    if (!strcmp(what, "echoes"))
        return echo(count - 2, words + 2);
    if (!strcmp(what, "cats"))
        return cat();
    if (!strcmp(what, "measures"))
        return measure(atoi(first));
    if (!strcmp(what, "shows"))
        return show(first);
    if (!strcmp(what, "writes"))
        return put(first, count > 3 ? words[3] : "");
    if (!strcmp(what, "who"))
        return who();
    fprintf(stderr, "usage: guest exits|prints|sleeps|ignores-stop|dies|allocates|spins|counts|serves|echoes|cats|measures|shows|writes|who\n");
    return 2;
}
