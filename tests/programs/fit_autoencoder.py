"""Fit an autoencoder with Lightning."""

import hashlib

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class LitAutoEncoder(L.LightningModule):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def training_step(self, batch, batch_idx):
        (x,) = batch
        x_hat = self.decoder(self.encoder(x))
        loss = F.mse_loss(x_hat, x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        (x,) = batch
        self.log("val_loss", F.mse_loss(self.decoder(self.encoder(x)), x))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=3e-3)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        return [optimizer], [scheduler]


def waves(count):
    """Sine waves of any phase and amplitude: two numbers say all about 32."""
    phase, size = 6.28 * torch.rand(count, 1), 0.5 + torch.rand(count, 1)
    return size * torch.sin(torch.linspace(0, 6.28, 32) + phase)


def main():
    L.seed_everything(7)
    train_loader = DataLoader(TensorDataset(waves(1024)), batch_size=32, shuffle=True)
    val_loader = DataLoader(TensorDataset(waves(128)), batch_size=64)
    autoencoder = LitAutoEncoder(
        encoder=nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 3)),
        decoder=nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 32)),
    )
    trainer = L.Trainer(
        max_epochs=4,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model=autoencoder, train_dataloaders=train_loader, val_dataloaders=val_loader)
    print("val_loss", round(trainer.callback_metrics["val_loss"].item(), 4))

    digest = hashlib.sha256()
    for tensor in autoencoder.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
