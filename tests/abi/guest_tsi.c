/* In the guest:  guest PORT SOCKET  asks the host's servers at PORT of the loopback and at SOCKET, and serves port 80.
   Statically linked into the test's root. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void ask(const char* whom, int socket, const struct sockaddr* address, socklen_t size) {
  char answer[64] = {0};
  if (connect(socket, address, size) < 0) {
    printf("%s: %s\n", whom, strerror(errno));
    return;
  }
  CHECK(read(socket, answer, sizeof answer - 1) > 0, 1);
  printf("%s: %s\n", whom, answer);
}

int main(int argc, char** argv) {
  struct sockaddr_in tcp, own = address_of(80);
  struct sockaddr_un un;
  int listener = socket(AF_INET, SOCK_STREAM, 0), client;
  if (argc < 3) return 2;
  tcp = address_of(atoi(argv[1]));
  memset(&un, 0, sizeof un);
  un.sun_family = AF_UNIX;
  strncpy(un.sun_path, argv[2], sizeof un.sun_path - 1);
  ask("tcp", socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&tcp, sizeof tcp);
  ask("unix", socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr*)&un, sizeof un);
  own.sin_addr.s_addr = htonl(INADDR_ANY);
  CHECK(bind(listener, (struct sockaddr*)&own, sizeof own), 0);
  CHECK(listen(listener, 1), 0);
  printf("listening\n");
  fflush(stdout);
  client = accept(listener, NULL, NULL);
  CHECK(client >= 0, 1);
  CHECK(write(client, "the guest", 9), 9);
  return 0;
}
