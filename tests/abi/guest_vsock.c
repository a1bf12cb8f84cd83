/* In the guest: asks the host on port 1234 and answers it on port 4321. Statically linked into the test's root. */
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_vm address_of(unsigned cid, unsigned port) {
  struct sockaddr_vm address;
  memset(&address, 0, sizeof address);
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

int main(void) {
  struct sockaddr_vm host = address_of(VMADDR_CID_HOST, 1234), own = address_of(VMADDR_CID_ANY, 4321);
  struct sockaddr_vm nobody = address_of(VMADDR_CID_HOST, 1235);
  char answer[64] = {0};
  int listener = socket(AF_VSOCK, SOCK_STREAM, 0), there = socket(AF_VSOCK, SOCK_STREAM, 0), client;
  /* A port that leads nowhere is refused, and not left to time out. */
  CHECK(connect(socket(AF_VSOCK, SOCK_STREAM, 0), (struct sockaddr*)&nobody, sizeof nobody), -1);
  CHECK(errno, ECONNRESET);
  CHECK(bind(listener, (struct sockaddr*)&own, sizeof own), 0);
  CHECK(listen(listener, 1), 0);
  CHECK(connect(there, (struct sockaddr*)&host, sizeof host), 0);
  CHECK(write(there, "listening", 9), 9);
  CHECK(read(there, answer, sizeof answer) > 0, 1);
  printf("the host says %s\n", answer);
  client = accept(listener, NULL, NULL);
  CHECK(client >= 0, 1);
  CHECK(write(client, "the guest", 9), 9);
  return 0;
}
