@0x9fcfef29af78ba39;
# The Muster wire protocol. Every message on a connection is one standard Cap'n Proto stream message
# whose root is a Frame. docs/wire-format.md says who sends what, when and within which limits.
#
# Evolution: fields and union members are only ever added at the end. A receiver ignores fields it
# does not know and answers frames it does not know by ignoring them.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("muster::protocol");

struct Frame {
  union {
    none @0 :Void;          # never sent
    hello @1 :Hello;        # initiator, first
    challenge @2 :Hello;    # acceptor, in answer
    proof @3 :Proof;        # initiator, in answer
    ready @4 :Proof;        # acceptor, in answer; the connection is open
    reject @5 :Error;       # the last frame of a side that refuses the connection
    heartbeat @6 :Void;
    call @7 :Call;
    reply @8 :Reply;
    release @9 :Release;
    find @10 :Find;
    found @11 :Found;
    monitor @12 :Monitor;
    down @13 :Down;
    stop @14 :Stop;
    cancel @15 :Cancel;
    chunk @16 :Chunk;
    goodbye @17 :Error;     # the last frame of a side that leaves in good order
  }
}

struct Hello {
  protocol @0 :Text;        # "muster"
  minVersion @1 :UInt16;    # versions the sender speaks; in a challenge both are the one chosen
  maxVersion @2 :UInt16;
  nodeHi @3 :UInt64;        # the node's identity, 128 random bits
  nodeLo @4 :UInt64;
  incarnation @5 :UInt64;
  listenAddress @6 :Text;   # where the node accepts connections, "" when it does not
  authenticates @7 :Bool;   # the sender has a token and wants the peer to prove that it has it
  nonce @8 :Data;           # 32 random bytes
  maxMessageBytes @9 :UInt64;  # the largest message the sender accepts
  software @10 :Text;       # name and version, for people
}

struct Proof {
  mac @0 :Data;             # HMAC-SHA256 by the token; empty without one
}

struct Error {
  code @0 :UInt16;
  message @1 :Text;
  type @2 :Text;
}

struct ActorRef {
  nodeHi @0 :UInt64;
  nodeLo @1 :UInt64;
  actor @2 :UInt64;
  incarnation @3 :UInt64;
  address @4 :Text;
}

struct Value {
  union {
    none @0 :Void;
    boolean @1 :Bool;
    integer @2 :Int64;
    natural @3 :UInt64;
    real @4 :Float64;
    text @5 :Text;
    bytes @6 :Data;
    array :group {
      elementType @7 :UInt16;     # ElementType of <muster/codec.h>
      data @8 :Data;              # elements, little-endian, without gaps
      layout @9 :ArrayLayout;     # null: a vector whose elements are all in data
    }
    list @10 :List(Value);
    actor @11 :ActorRef;
    message @12 :AnyPointer;      # a struct of the users' own schema
  }
}

struct ArrayLayout {
  shape @0 :List(UInt64);   # first index fastest; empty: a vector
  more @1 :List(Data);      # the rest of the elements where one Data is too small (2^28 bytes each)
}

struct Call {
  callId @0 :UInt64;        # 0: one way, no reply
  actor @1 :UInt64;
  method @2 :UInt64;        # 64-bit FNV-1a of the method's name
  timeoutMicros @3 :UInt64; # what is left of the caller's patience; 0: no limit
  arguments @4 :List(Value);
  incarnation @5 :UInt64;   # of the actor; 0: any
  urgent @6 :Bool;          # goes before those that wait and are not
  group @7 :UInt32;         # of the actor's concurrency groups the one to count it in; 0: the method's
  whenFull @8 :UInt8;       # 0: reject it, 1: let it wait for room, 2: drop it
  offer @9 :Bool;           # reply when it is in the mailbox; its result is not wanted
  references @10 :UInt64;    # bit i: argument i is a reference to the value, to be fetched first
  firstOpen @11 :UInt64;    # not 0: the call is sent again over the next connection when this one
                            # ends, and handled once. Its callId has bit 63 and is greater than that
                            # of any such call before, of this caller on whichever connection; this
                            # is the least one whose answer the caller still waits for
  oneWay @12 :Bool;         # of such a call: reply when it was put into the mailbox, or was not
  again @13 :Bool;          # of such a call: it may have been sent before
  next @14 :NextCall;       # of a call without an id: the same again, to be handled after it
}

struct NextCall {
  # All but these arguments is as in the call. Those of one frame are at most 32, the call itself
  # among them, and each lies behind the one before it.
  arguments @0 :List(Value);
  next @1 :NextCall;
}

struct Reply {
  callId @0 :UInt64;
  union {
    result @1 :Value;
    error @2 :Error;
  }
}

struct Release {
  actor @0 :UInt64;
  count @1 :UInt64;         # how many times a reference to it was received and is now dropped
}

struct Find {
  requestId @0 :UInt64;
  name @1 :Text;
  typeHash @2 :UInt64;      # 64-bit FNV-1a of the expected type's name; 0: any
  waitMicros @3 :UInt64;    # how long to wait for the name to appear
}

struct Found {
  requestId @0 :UInt64;
  union {
    actor @1 :ActorRef;
    error @2 :Error;
  }
}

struct Monitor {
  requestId @0 :UInt64;
  actor @1 :UInt64;
  link @2 :UInt64;          # the sender's actor that is linked with it, and to be monitored; 0: none
}

struct Down {
  requestId @0 :UInt64;     # of the Monitor
  reason @1 :UInt16;        # why the actor ended, an enum of the actor layer
  error @2 :Error;
  name @3 :Text;            # of the actor; empty when it had none or it is not known any more
  incarnation @4 :UInt32;   # its last, from 1; 0: not known any more
}

struct Stop {
  actor @0 :UInt64;
  kill @1 :Bool;            # now, without draining its mailbox
}

struct Cancel {
  callId @0 :UInt64;
  actor @1 :UInt64;         # that the call is for
  expired @2 :Bool;         # the caller's deadline has passed: a handler that has begun goes on
}

struct Chunk {
  # A piece of another message's bytes. The pieces of a stream come in order without gaps, none
  # of them empty.
  stream @0 :UInt32;
  alignOffset @1 :UInt32;   # hint: the message's byte that should lie at a multiple of 64 in memory
  total @2 :UInt64;         # bytes of the whole message
  offset @3 :UInt64;        # of this piece
  data @4 :Data;
}
