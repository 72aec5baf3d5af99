"""An LSTM that predicts the next word, with truncated backpropagation through time and tied weights."""

import math

import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable

torch.manual_seed(1111)
device = torch.device("cpu")
ntoken, emsize, nlayers, bptt, batch_size, clip, lr = 30, 24, 2, 8, 6, 0.25, 5.0


class Dictionary:
    def __init__(self):
        self.word2idx = {}
        self.idx2word = []

    def add_word(self, word):
        if word not in self.word2idx:
            self.idx2word.append(word)
            self.word2idx[word] = len(self.idx2word) - 1
        return self.word2idx[word]


class RNNModel(nn.Module):
    """Container module with an encoder, a recurrent module, and a decoder."""

    def __init__(self, rnn_type, ntoken, ninp, nhid, nlayers, dropout=0.0, tie_weights=False):
        super().__init__()
        self.ntoken = ntoken
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.init_weights()
        self.rnn_type, self.nhid, self.nlayers = rnn_type, nhid, nlayers

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)
        nn.init.uniform_(self.decoder.weight, -initrange, initrange)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        output = self.drop(output)
        decoded = self.decoder(output)
        decoded = decoded.view(-1, self.ntoken)
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        if self.rnn_type == "LSTM":
            return (weight.new_zeros(self.nlayers, bsz, self.nhid), weight.new_zeros(self.nlayers, bsz, self.nhid))
        return weight.new_zeros(self.nlayers, bsz, self.nhid)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    data = data.narrow(0, 0, nbatch * bsz)
    data = data.view(bsz, -1).t().contiguous()
    return data.to(device)


def repackage_hidden(h):
    """Wraps hidden states in new Tensors, to detach them from their history."""
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def get_batch(source, i):
    seq_len = min(bptt, len(source) - 1 - i)
    data = Variable(source[i : i + seq_len])
    target = Variable(source[i + 1 : i + 1 + seq_len].view(-1))
    return data, target


rng = np.random.RandomState(0)
dictionary, sentence = Dictionary(), []
for _ in range(420):  # every word says which few may follow it
    word = (sentence[-1] * 3 + rng.randint(4)) % ntoken if sentence else 0
    sentence.append(word)
ids = torch.tensor([dictionary.add_word(f"w{word}") for word in sentence]).type(torch.int64)
train_data, val_data = batchify(ids[:360], batch_size), batchify(ids[360:], 3)
criterion = nn.NLLLoss()
losses = []


def evaluate(model, data_source):
    model.eval()
    total_loss = 0.0
    hidden = model.init_hidden(3)
    with torch.no_grad():
        for i in range(0, data_source.size(0) - 1, bptt):
            data, targets = get_batch(data_source, i)
            output, hidden = model(data, hidden)
            hidden = repackage_hidden(hidden)
            total_loss += len(data) * criterion(output, targets).item()
    return total_loss / (len(data_source) - 1)


def train(model, lr):
    model.train()
    hidden = model.init_hidden(batch_size)
    for _batch, i in enumerate(range(0, train_data.size(0) - 1, bptt)):
        data, targets = get_batch(train_data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(data, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        losses.append(loss.item())


for rnn_type in ("LSTM", "GRU"):
    model = RNNModel(rnn_type, ntoken, emsize, emsize, nlayers, tie_weights=True).to(device)
    best_val_loss = None
    rate = lr
    for epoch in range(2):
        train(model, rate)
        val_loss = evaluate(model, val_data)
        losses.append(val_loss)
        if not best_val_loss or val_loss < best_val_loss:
            torch.save(model.state_dict(), "model.pt")
            best_val_loss = val_loss
        else:
            rate /= 4.0
    model.load_state_dict(torch.load("model.pt"))
    model.rnn.flatten_parameters()
    print(f"{rnn_type}: valid ppl {math.exp(evaluate(model, val_data)):8.2f}")
