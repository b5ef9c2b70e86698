// Attempts to reach anything over a socket of any family.

import type { Attempt, ProbeTools } from './probe.ts';

/** Every family that Linux is likely to carry, with the host's canaries at the far end where there can be one. */
export function attemptNetwork(t: ProbeTools): readonly Attempt[] {
  const UNIX = 1;
  const INET = 2;
  const INET6 = 10;
  const STREAM = 1;
  const DATAGRAM = 2;
  const RAW = 3;
  const { n, canary } = t;

  // Opens a socket, then takes it as far as the attempt goes.
  const onSocket = (
    family: number,
    type: number,
    protocol: number,
    go: (socket: number) => number,
  ): string => {
    const socket = t.call(n.socket, family, type, protocol);
    if (socket < 0) return t.verdict(socket);
    const result = go(socket);
    t.close(socket);
    return t.verdict(result);
  };
  const reach = (address: Uint8Array) => (socket: number) =>
    t.call(n.connect, socket, address, address.length);
  const send = (address: Uint8Array) => (socket: number) =>
    t.call(n.sendto, socket, t.text('x'), 1, 0, address, address.length);
  const bare = (family: number, type: number, protocol: number) => () =>
    onSocket(family, type, protocol, () => 0);
  // What stays within a network namespace; vsock, among others, does not.
  const namespaced = [
    ...[
      'tcp-loopback',
      'tcp-loopback-ipv6',
      'tcp-listen',
      'udp-loopback',
      'udp-ipv6',
      'dns',
      'sctp',
      'mptcp',
    ],
    ...['netlink-route', 'netlink-netfilter', 'unix-abstract', 'unix-listen'],
  ];
  const attempt = (id: string, run: () => string): Attempt => ({
    id,
    breaks: 'network',
    run: () => t.ifOwn(t.own.network && namespaced.includes(id), run()),
  });

  const list: Attempt[] = [
    attempt('tcp-loopback', () =>
      onSocket(INET, STREAM, 0, reach(t.addressIPv4('127.0.0.1', canary.tcpPort))),
    ),
    attempt('tcp-loopback-ipv6', () => onSocket(INET6, STREAM, 0, reach(t.addressIPv6(canary.tcp6Port)))),
    attempt('tcp-listen', () =>
      onSocket(INET, STREAM, 0, (socket) => {
        const bound = t.call(n.bind, socket, t.addressIPv4('127.0.0.1', 0), 16);
        return bound < 0 ? bound : t.call(n.listen, socket, 1);
      }),
    ),
    attempt('udp-loopback', () =>
      onSocket(INET, DATAGRAM, 0, send(t.addressIPv4('127.0.0.1', canary.udpPort))),
    ),
    attempt('udp-ipv6', bare(INET6, DATAGRAM, 0)),
    // connecting a datagram socket sends nothing, but shows that a query could leave
    attempt('dns', () => onSocket(INET, DATAGRAM, 0, reach(t.addressIPv4(canary.nameServer, 53)))),
    attempt('icmp-datagram', bare(INET, DATAGRAM, 1)),
    attempt('icmp-raw', bare(INET, RAW, 1)),
    attempt('sctp', bare(INET, STREAM, 132)),
    attempt('mptcp', bare(INET, STREAM, 262)),
    attempt('packet', bare(17, RAW, 0x0300)),
    attempt('netlink-route', bare(16, RAW, 0)),
    attempt('netlink-uevent', bare(16, RAW, 15)),
    attempt('netlink-netfilter', bare(16, RAW, 12)),
    attempt('vsock', bare(40, STREAM, 0)),
    attempt('vsock-datagram', bare(40, DATAGRAM, 0)),
    attempt('bluetooth', bare(31, RAW, 1)),
    attempt('can', bare(29, RAW, 1)),
    attempt('tipc', bare(30, STREAM, 0)),
    attempt('qrtr', bare(42, DATAGRAM, 0)),
    attempt('xdp', bare(44, RAW, 0)),
    attempt('kernel-crypto', bare(38, 5, 0)),
    attempt('unix-path', () => onSocket(UNIX, STREAM, 0, reach(t.addressUnix(canary.streamSocket)))),
    attempt('unix-abstract', () =>
      onSocket(UNIX, STREAM, 0, reach(t.addressUnix(`\0${canary.abstractSocket}`))),
    ),
    attempt('unix-datagram', () => onSocket(UNIX, DATAGRAM, 0, send(t.addressUnix(canary.datagramSocket)))),
    attempt('unix-listen', () =>
      onSocket(UNIX, STREAM, 0, (socket) => {
        const address = t.addressUnix(`\0cloister-probe-${canary.nonce.slice(0, 16)}`);
        return t.call(n.bind, socket, address, address.length);
      }),
    ),
    // one end of a datagram pair may name any other receiver
    attempt('unix-pair-redirected', () => {
      const pair = new Int32Array(2);
      const made = t.call(n.socketpair, UNIX, DATAGRAM, 0, new Uint8Array(pair.buffer));
      if (made < 0) return t.verdict(made);
      const result = send(t.addressUnix(canary.datagramSocket))(pair[0] ?? -1);
      for (const end of pair) t.close(end);
      return t.verdict(result);
    }),
    attempt('inet-pair', () => t.verdict(t.call(n.socketpair, INET, STREAM, 0, new Uint8Array(8)))),
  ];
  // the inherited listening socket must not become a way to dial
  list.push(
    attempt('channel-redialled', () => {
      const address = t.addressUnix(canary.streamSocket);
      const result = t.call(n.connect, 3, address, address.length);
      // a socket that already listens, or no channel at all
      return result === -22 || result === -9 || result === -88 ? 'absent' : t.verdict(result);
    }),
  );
  return list;
}
